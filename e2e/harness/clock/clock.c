// A wall clock that a test can set, for a process that is started with this library in
// LD_PRELOAD: the machine's own, moved by the seconds in the file that WALL_CLOCK_OFFSET names.
// The steady clock goes on, as it does when somebody sets a machine's clock. libfaketime can't
// be used: it looks up functions while Envoy's allocator starts, and both wait for each other.

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset; // NULL until the file is mapped

__attribute__((constructor)) static void map_offset(void) {
	const char *path = getenv("WALL_CLOCK_OFFSET");
	int file = path ? open(path, O_RDONLY) : -1;
	void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
	if (mapped == MAP_FAILED) {
		perror("WALL_CLOCK_OFFSET");
		_exit(1);
	}
	close(file);
	offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
	int result = syscall(SYS_clock_gettime, clock, now);
	if (result == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *offset;
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	struct timespec precise;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &precise);
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *seconds) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (seconds)
		*seconds = now.tv_sec;
	return now.tv_sec;
}
