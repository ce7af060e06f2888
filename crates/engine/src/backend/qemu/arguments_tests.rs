use super::*;
use crate::backend::qemu::config::Console;
use std::path::PathBuf;

fn config(machine: Machine) -> Config {
    Config {
        machine,
        accelerator: Accelerator::Tcg,
        memory_bytes: 128 << 20,
        memory_file: false,
        cpus: 1,
        pin: None,
        cpu: None,
        channel: Channel::Serial,
        console: Console::Phases,
        kernel: PathBuf::from("/cache/vmlinux"),
        initramfs: PathBuf::from("/cache/initramfs.cpio"),
        modules: Vec::new(),
        command_line: String::new(),
        network: NetworkKind::None,
        disk: None,
        vmgenid: false,
        ivshmem: None,
    }
}

fn place() -> Place {
    Place {
        name: "isodyne-7f3a-1".into(),
        directory: "/scratch,1/1".into(),
        log_prefix: "/run/logs/1-qemu".into(),
        agent_patience_s: 30,
    }
}

/// One option with its value a line.
fn lines(config: &Config) -> String {
    argv(config, "qemu", &place()).join(" ").replace(" -", "\n-")
}

#[test]
fn q35_under_tcg_with_serial() {
    insta::assert_snapshot!(lines(&config(Machine::Q35)), @"
    qemu
    -no-user-config
    -nodefaults
    -display none
    -machine q35
    -accel tcg
    -smp 1
    -m 128M
    -S
    -no-reboot
    -chardev socket,id=qmp,fd=200
    -mon chardev=qmp,mode=control
    -chardev socket,id=console,fd=201
    -device isa-serial,chardev=console,index=0
    -chardev socket,id=agent,fd=202
    -device isa-serial,chardev=agent,index=1
    -chardev socket,id=init,fd=203
    -device isa-debugcon,iobase=0xe9,chardev=init
    -chardev socket,id=firmware,fd=204
    -device isa-debugcon,iobase=0x402,chardev=firmware
    -kernel /cache/vmlinux
    -initrd /cache/initramfs.cpio
    -append earlyprintk=ttyS0 quiet console=ttyS0 panic=-1 reboot=t cryptomgr.notests no_timer_check isodyne.channel=serial:/dev/ttyS1 isodyne.end=poweroff isodyne.patience=30
    ");
}

#[test]
fn pc_under_kvm_with_virtio_serial() {
    let modules = vec!["virtio_ring.ko".to_owned(), "virtio.ko".to_owned(), "virtio_console.ko".to_owned()];
    let config = Config {
        accelerator: Accelerator::Kvm,
        channel: Channel::VirtioSerial,
        cpus: 2,
        modules,
        console: Console::Full,
        ..config(Machine::Pc)
    };
    insta::assert_snapshot!(lines(&config), @"
    qemu
    -no-user-config
    -nodefaults
    -display none
    -machine pc
    -accel kvm
    -cpu host
    -smp 2
    -m 128M
    -S
    -no-reboot
    -chardev socket,id=qmp,fd=200
    -mon chardev=qmp,mode=control
    -chardev socket,id=console,fd=201
    -device isa-serial,chardev=console,index=0
    -chardev socket,id=agent,fd=202
    -device virtio-serial-pci
    -device virtserialport,chardev=agent,name=isodyne
    -chardev socket,id=init,fd=203
    -device isa-debugcon,iobase=0xe9,chardev=init
    -chardev socket,id=firmware,fd=204
    -device isa-debugcon,iobase=0x402,chardev=firmware
    -kernel /cache/vmlinux
    -initrd /cache/initramfs.cpio
    -append earlyprintk=ttyS0 console=ttyS0 panic=-1 reboot=t cryptomgr.notests isodyne.channel=virtio:isodyne isodyne.modules=virtio_ring.ko,virtio.ko,virtio_console.ko isodyne.end=poweroff isodyne.patience=30
    ");
}

#[test]
fn microvm_under_tcg_with_a_quiet_console() {
    let config = Config {
        console: Console::Off,
        cpu: Some("max".to_owned()),
        command_line: " mitigations=off  nosmt ".to_owned(),
        ..config(Machine::Microvm)
    };
    insta::assert_snapshot!(lines(&config), @"
    qemu
    -no-user-config
    -nodefaults
    -display none
    -machine microvm,pit=on,pic=on,rtc=on,acpi=off,auto-kernel-cmdline=off
    -accel tcg
    -cpu max
    -smp 1
    -m 128M
    -S
    -no-reboot
    -chardev socket,id=qmp,fd=200
    -mon chardev=qmp,mode=control
    -chardev socket,id=console,fd=201
    -device isa-serial,chardev=console,index=0
    -chardev socket,id=agent,fd=202
    -device isa-serial,chardev=agent,index=1
    -chardev socket,id=init,fd=203
    -device isa-debugcon,iobase=0xe9,chardev=init
    -kernel /cache/vmlinux
    -initrd /cache/initramfs.cpio
    -append quiet panic=-1 reboot=t cryptomgr.notests no_timer_check isodyne.channel=serial:/dev/ttyS1 isodyne.end=reboot isodyne.patience=30 mitigations=off nosmt
    ");
}

#[test]
fn every_combination_is_whole() {
    for machine in [Machine::Q35, Machine::Pc, Machine::Microvm] {
        for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
            for channel in [Channel::Serial, Channel::VirtioSerial] {
                let config = Config { accelerator, channel, ..config(machine) };
                let argv = argv(&config, "qemu", &place());
                // Every character device has a user and every user its device.
                let chardevs: Vec<&str> =
                    argv.iter().filter_map(|word| word.strip_prefix("socket,id=")?.split(',').next()).collect();
                for chardev in &chardevs {
                    let uses = argv.iter().filter(|word| word.contains(&format!("chardev={chardev}"))).count();
                    assert_eq!(uses, 1, "{chardev} in {argv:?}");
                }
                assert_eq!(chardevs.contains(&"firmware"), machine != Machine::Microvm);
                let append = argv.last().unwrap();
                assert_eq!(append.contains("isodyne.end=reboot"), machine == Machine::Microvm);
                assert_eq!(append.contains("no_timer_check"), accelerator == Accelerator::Tcg);
            }
        }
    }
}

#[test]
fn a_network_is_a_card_with_addresses_of_the_sandboxs_own() {
    let with = |network| {
        let modules = ["virtio_ring.ko", "virtio_net.ko"].map(str::to_owned).to_vec();
        let lines = lines(&Config { network, modules, ..config(Machine::Q35) });
        let kept = lines.lines().filter(|line| line.contains("net"));
        kept.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(with(NetworkKind::Own { nat: false }), @"
    -netdev tap,id=net,fd=205
    -device virtio-net-pci,netdev=net,romfile=,mac=52:49:01:88:46:e0
    -append earlyprintk=ttyS0 quiet console=ttyS0 panic=-1 reboot=t cryptomgr.notests no_timer_check isodyne.channel=serial:/dev/ttyS1 isodyne.modules=virtio_ring.ko,virtio_net.ko isodyne.net=eth0,10.136.70.226/30,,fd8b:ec82:11b7:1::2/64 isodyne.end=poweroff isodyne.patience=30
    ");
    insta::assert_snapshot!(with(NetworkKind::User), @"
    -netdev user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.74.175.109:5201-:5201
    -device virtio-net-pci,netdev=net,romfile=,mac=52:49:01:88:46:e0
    -append earlyprintk=ttyS0 quiet console=ttyS0 panic=-1 reboot=t cryptomgr.notests no_timer_check isodyne.channel=serial:/dev/ttyS1 isodyne.modules=virtio_ring.ko,virtio_net.ko isodyne.net=eth0,10.0.2.15/24,10.0.2.2 isodyne.end=poweroff isodyne.patience=30
    ");
}

#[test]
fn an_applications_disk_is_a_drive_of_its_own() {
    use crate::backend::qemu::config::DiskConfig;
    use crate::image::app::OverlayMethod;
    let with = |method| {
        let disk = Some(DiskConfig { base: PathBuf::from("/cache/disk"), method });
        lines(&Config { disk, ..config(Machine::Q35) })
    };
    let drive = "\n-drive if=none,id=app,format=qcow2,file=/scratch,,1/1/app.disk\n-device virtio-blk-pci,drive=app\n";
    assert!(with(OverlayMethod::Qcow2).contains(drive));
    assert!(with(OverlayMethod::SparseCopy).contains(",format=raw,file="));
    assert!(!lines(&config(Machine::Q35)).contains("drive"));
}

#[test]
fn a_generation_of_its_own_is_a_device() {
    let argv = lines(&Config { vmgenid: true, ..config(Machine::Q35) });
    assert!(argv.contains("\n-device vmgenid,guid=auto\n"), "{argv}");
    assert!(!lines(&config(Machine::Q35)).contains("vmgenid"));
}

#[test]
fn shared_memory_is_inherited_and_its_interrupts_stand_behind_an_iommu() {
    let with = |device, accelerator| {
        let lines = lines(&Config { ivshmem: Some(device), accelerator, ..config(Machine::Q35) });
        let said = |line: &&str| ["-machine", "ivshmem", "iommu"].iter().any(|word| line.contains(word));
        lines.lines().filter(said).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(with(DeviceConfig::Plain { size_bytes: 16 << 20 }, Accelerator::Tcg), @"
    -machine q35
    -object memory-backend-file,id=ivshmem,share=on,size=16777216,mem-path=/proc/self/fd/207
    -device ivshmem-plain,memdev=ivshmem
    ");
    let doorbell = || DeviceConfig::Doorbell { size_bytes: 1 << 20, vectors: 4, server: None };
    insta::assert_snapshot!(with(doorbell(), Accelerator::Tcg), @"
    -machine q35
    -device intel-iommu,intremap=on
    -chardev socket,id=ivshmem,fd=207
    -device ivshmem-doorbell,chardev=ivshmem,vectors=4
    -append earlyprintk=ttyS0 quiet console=ttyS0 panic=-1 reboot=t cryptomgr.notests no_timer_check intel_iommu=on isodyne.channel=serial:/dev/ttyS1 isodyne.end=poweroff isodyne.patience=30
    ");
    insta::assert_snapshot!(with(doorbell(), Accelerator::Kvm), @"
    -machine q35,kernel_irqchip=split
    -device intel-iommu,intremap=on
    -chardev socket,id=ivshmem,fd=207
    -device ivshmem-doorbell,chardev=ivshmem,vectors=4
    -append earlyprintk=ttyS0 quiet console=ttyS0 panic=-1 reboot=t cryptomgr.notests intel_iommu=on isodyne.channel=serial:/dev/ttyS1 isodyne.end=poweroff isodyne.patience=30
    ");
}

#[test]
fn a_machine_that_comes_back_is_made_like_the_one_that_was_kept() {
    let from = |memory_file, begin: Begin| {
        let config = Config { memory_file, ..config(Machine::Microvm) };
        let lines = argv_from(&config, &begin, "qemu", &place()).join(" ").replace(" -", "\n-");
        let said = |line: &&str| ["-object", "-machine", "-kernel", "-incoming"].iter().any(|word| line.contains(word));
        lines.lines().filter(said).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(from(true, Begin::Boot), @"
    -object memory-backend-file,id=ram,share=on,size=134217728,mem-path=/proc/self/fd/208
    -machine microvm,pit=on,pic=on,rtc=on,acpi=off,auto-kernel-cmdline=off,memory-backend=ram
    -kernel /cache/vmlinux
    ");
    let stub = Some(PathBuf::from("/scratch/1/kernel"));
    insta::assert_snapshot!(from(true, Begin::Kept { template: true, stub: stub.clone() }), @"
    -object memory-backend-file,id=ram,share=off,size=134217728,mem-path=/proc/self/fd/208
    -machine microvm,pit=on,pic=on,rtc=on,acpi=off,auto-kernel-cmdline=off,memory-backend=ram
    -kernel /scratch/1/kernel
    -incoming defer
    ");
    insta::assert_snapshot!(from(true, Begin::Kept { template: false, stub }), @"
    -object memory-backend-ram,id=ram,size=134217728
    -machine microvm,pit=on,pic=on,rtc=on,acpi=off,auto-kernel-cmdline=off,memory-backend=ram
    -kernel /scratch/1/kernel
    -incoming defer
    ");
    insta::assert_snapshot!(from(false, Begin::Kept { template: false, stub: None }), @"
    -machine microvm,pit=on,pic=on,rtc=on,acpi=off,auto-kernel-cmdline=off
    -kernel /cache/vmlinux
    -incoming defer
    ");
}
