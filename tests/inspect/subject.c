/* Processes with threads, and one open thing of every kind that CRIU keeps: what `compare.py` is held against. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

static void *run(void *p) { char name[16]; snprintf(name, 16, "thread-%ld", (long)p); prctl(PR_SET_NAME, name); for (;;) pause(); }

static int locks = 1; /* Locks of files and watches: what Docker's checkpoints cannot have. */
static void hold(const char *dir, int number) {
	char path[256];
	snprintf(path, 256, "%s/kept-%d", dir, number);
	int f = open(path, O_RDWR | O_CREAT | O_TRUNC, 0640); write(f, "0123456789", 10); lseek(f, 4, SEEK_SET);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5};
	if (locks) { flock(f, LOCK_SH); fcntl(f, F_SETLK, &l); }
	snprintf(path, 256, "%s/deleted-%d", dir, number);
	int d = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600); write(d, "still here", 10); unlink(path);
	snprintf(path, 256, "%s/fifo-%d", dir, number);
	mkfifo(path, 0600); int ff = open(path, O_RDWR | O_NONBLOCK); write(ff, "abc", 3);
	int ends[2]; pipe2(ends, O_CLOEXEC); char big[5000]; memset(big, 'p', 5000); write(ends[1], big, 5000);
	int pair[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, pair); write(pair[0], "datagram", 8); write(pair[0], "two", 3);
	int seq[2]; socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, seq); write(seq[0], "12345", 5);
	int u = socket(AF_UNIX, SOCK_STREAM, 0); struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, 100, "%s/sock-%d", dir, number); unlink(at.sun_path); bind(u, (void *)&at, sizeof at); listen(u, 9 + number);
	int c = socket(AF_UNIX, SOCK_STREAM, 0); connect(c, (void *)&at, sizeof at); int s = accept(u, 0, 0); write(c, "queued", 6); (void)s;
	int ev = eventfd(40 + number, EFD_SEMAPHORE), ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = 1}; epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e); epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &e); epoll_ctl(ep, EPOLL_CTL_ADD, u, &e);
	struct itimerspec in = {{7, 500}, {90000 + number, 0}};
	int t = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK); timerfd_settime(t, 0, &in, 0);
	t = timerfd_create(CLOCK_REALTIME, 0);
	struct itimerval it = {{3, 0}, {80000, 0}}; setitimer(ITIMER_REAL, &it, 0);
	timer_t tm; struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2}; timer_create(CLOCK_MONOTONIC, &se, &tm); timer_settime(tm, 0, &in, 0);
	sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1); sigaddset(&set, 64); signalfd(-1, &set, SFD_CLOEXEC);
	int ino = locks ? inotify_init1(IN_NONBLOCK) : -1; if (locks) inotify_add_watch(ino, dir, IN_CREATE); if (locks) inotify_add_watch(ino, "/", IN_DELETE);
	int m = memfd_create("named memory", MFD_CLOEXEC); ftruncate(m, 10000);
	open(dir, O_RDONLY | O_DIRECTORY); open("/proc/self/status", O_RDONLY); open("/dev/null", O_WRONLY);
	(void)ino;
}

int main(int argc, char **argv) {
	const char *dir = argc > 1 ? argv[1] : "/tmp";
	locks = argc < 3;
	for (int fd = 3; fd < 1024; fd++) close(fd);
	int l = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(20500), .sin_addr.s_addr = htonl(INADDR_ANY)};
	bind(l, (void *)&a, sizeof a); listen(l, 11);
	int dg = socket(AF_INET6, SOCK_DGRAM, 0); struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_port = htons(20501)}; bind(dg, (void *)&b, sizeof b);
	uint8_t *shared = mmap(0, 64 << 12, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); memset(shared, 7, 20 << 12);
	int id = shmget(IPC_PRIVATE, 9 << 12, IPC_CREAT | 0600); uint8_t *sysv = shmat(id, 0, 0); memset(sysv, 3, 5 << 12);
	semget(IPC_PRIVATE, 3, IPC_CREAT | 0600); msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	uint8_t *own = mmap(0, 600 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 500; i++) own[i << 12] = i % 5 ? i : 0;
	for (int i = 0; i < 600; i += 50) mprotect(own + (i << 12), 4096, PROT_READ);
	hold(dir, 0);
	pthread_t p; for (long i = 1; i <= 7; i++) pthread_create(&p, 0, run, (void *)i);
	for (int i = 1; i <= 3; i++) if (!fork()) {
		prctl(PR_SET_NAME, "child (x) \n y"); hold(dir, i); setpgid(0, 0); own[(i << 12) + 4096 * 60] = 9;
		for (long k = 1; k <= 2; k++) pthread_create(&p, 0, run, (void *)k);
		if (i == 2 && !fork()) { setsid(); chdir(dir); for (;;) pause(); }
		if (i == 3) { nice(5); }
		for (;;) pause();
	}
	if (!fork()) _exit(3);
	printf("ready\n"); fflush(stdout);
	for (;;) pause();
}
