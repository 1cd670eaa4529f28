/* Notes how much of a file was really synced, for a power loss on purpose: what was written after the last fdatasync is
   cut away. Loaded into redis-server with LD_PRELOAD; writes "inode bytes" lines to the file named by FSYNC_RECORD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int fd) {
  struct stat file;
  const char *path = getenv("FSYNC_RECORD");
  if (path == NULL || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return;
  int out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0) return;
  dprintf(out, "%llu %lld\n", (unsigned long long)file.st_ino, (long long)file.st_size);
  close(out);
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  int done = real(fd);
  if (done == 0) note(fd);
  return done;
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  int done = real(fd);
  if (done == 0) note(fd);
  return done;
}
