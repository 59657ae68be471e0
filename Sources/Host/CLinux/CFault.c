#define _GNU_SOURCE
#include "CFault.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

extern const char __executable_start;

static char version[64];

struct line {
  char text[512];
  size_t length;
};

static void add(struct line *line, const char *text) {
  while (*text != 0 && line->length < sizeof line->text - 1) line->text[line->length++] = *text++;
}

static void add_hexadecimal(struct line *line, uintptr_t number) {
  char digits[2 * sizeof number + 1];
  size_t place = sizeof digits - 1;
  digits[place] = 0;
  do {
    digits[--place] = "0123456789abcdef"[number & 15];
    number >>= 4;
  } while (number != 0);
  add(line, "0x");
  add(line, digits + place);
}

static uintptr_t place_of(void *context) {
#if defined(__x86_64__)
  return (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#else
  return 0;
#endif
}

static const char *name_of(int number) {
  switch (number) {
  case SIGILL: return "SIGILL";
  case SIGTRAP: return "SIGTRAP";
  case SIGABRT: return "SIGABRT";
  case SIGBUS: return "SIGBUS";
  case SIGFPE: return "SIGFPE";
  default: return "SIGSEGV";
  }
}

// Only what may be called in a handler: the thread may hold any lock.
static void fault(int number, siginfo_t *information, void *context) {
  (void)information;
  struct line line = {.length = 0};
  char thread[17] = {0};
  prctl(PR_GET_NAME, thread, 0, 0, 0);
  add(&line, "error photofinish ");
  add(&line, version);
  add(&line, " ends by a fault of its own: ");
  add(&line, name_of(number));
  add(&line, " in thread ");
  add(&line, thread);
  add(&line, " at ");
  add_hexadecimal(&line, place_of(context) - (uintptr_t)&__executable_start);
  add(&line, " of the program; please report this line\n");
  (void)!write(STDERR_FILENO, line.text, line.length);
  // To the default action: the handler was for once.
  raise(number);
}

void pf_name_faults(const char *text) {
  strncpy(version, text, sizeof version - 1);
  const int numbers[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};
  for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++) {
    struct sigaction now;
    if (sigaction(numbers[index], 0, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = fault;
    action.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(numbers[index], &action, 0);
  }
}
