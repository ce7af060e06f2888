/* A small tree of processes with files of many kinds; see docs in the directory of the images. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <sched.h>

static int tcp(void) {
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(20406), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(listener, (void *)&at, sizeof at) || listen(listener, 7)) return 1;
	int client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(client, (void *)&at, sizeof at)) return 1;
	int server = accept(listener, 0, 0);
	if (server < 0 || write(client, "not yet read", 12) != 12) return 1;
	int listener6 = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons(20407), .sin6_addr = in6addr_loopback};
	if (bind(listener6, (void *)&at6, sizeof at6) || listen(listener6, 3)) return 1;
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	at.sin_port = htons(20408);
	return bind(udp, (void *)&at, sizeof at);
}
static int thread(void *unused) { (void)unused; prctl(PR_SET_NAME, "second"); for (;;) pause(); }

int main(int argc, char **argv) {
	for (int fd = 0; fd < 1024; fd++) close(fd);
	open("/dev/null", O_RDWR); dup(0); dup(0);
	int file = open("kept.txt", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644);
	write(file, "seven..", 7);
	int ends[2], pair[2];
	if (pipe(ends)) return 2;
	write(ends[1], "in the pipe", 11);
	if (argc > 1 && tcp()) return 3;
	int named = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	memcpy(at.sun_path, "\0isodyne-fixture", 16);
	if (bind(named, (void *)&at, sizeof(sa_family_t) + 16) || listen(named, 5)) return 4;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return 5;
	int event = eventfd(3, EFD_CLOEXEC), poll = epoll_create1(0);
	struct epoll_event what = {.events = EPOLLIN, .data.u64 = 77};
	epoll_ctl(poll, EPOLL_CTL_ADD, event, &what);
	struct itimerspec in = {.it_value.tv_sec = 100000};
	timerfd_settime(timerfd_create(CLOCK_MONOTONIC, 0), 0, &in, 0);
	sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1);
	signalfd(-1, &set, 0);
	memfd_create("nameless", 0);
	/* Eight pages: two of zeroes that were touched, three alike, one of its own, two not touched. */
	uint8_t *area = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area[0] = 1; area[0] = 0; area[4096] = 1; area[4096] = 0;
	for (int page = 2; page < 5; page++) memset(area + page * 4096, 0x5a, 4096);
	memset(area + 5 * 4096, 0x21, 4096);
	mmap(0, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	char *stack = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	clone(thread, stack + 16384, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0);
	if (!fork()) {
		prctl(PR_SET_NAME, "child");
		if (!fork()) { prctl(PR_SET_NAME, "grand child"); for (;;) pause(); }
		umask(077);
		for (;;) pause();
	}
	if (!fork()) { prctl(PR_SET_NAME, "gone"); _exit(7); }
	for (;;) pause();
}
