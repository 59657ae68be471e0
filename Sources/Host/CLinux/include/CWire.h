#ifndef PHOTOFINISH_C_WIRE_H
#define PHOTOFINISH_C_WIRE_H

#include <stdint.h>

// Network namespaces, tunnel devices, child processes and timers of the delay wire.
// Functions return 0 or a descriptor on success and a negative errno on failure.

// A descriptor of the calling thread's network namespace.
int32_t pf_namespace_current(void);

// Moves the calling thread into a new, empty network namespace.
int32_t pf_namespace_unshare(void);

// Moves the calling thread into the namespace behind `descriptor`.
int32_t pf_namespace_enter(int32_t descriptor);

// Makes a TUN device (layer 3, no packet information) in the calling thread's namespace; non-blocking, close on exec.
// It vanishes when the descriptor is closed.
int32_t pf_tunnel_open(const char *name);

// Gives an interface of the calling thread's namespace an IPv4 address (host order), unless the address is 0, and an
// MTU and a transmit queue length, unless these are 0; then takes the interface up.
int32_t pf_interface_configure(const char *name, uint32_t address, int32_t prefix, int32_t mtu, int32_t queue_length);

// Gives an interface that is up an IPv6 address of 16 bytes, and waits until it can be used. Fails with EAFNOSUPPORT where
// the kernel has no IPv6.
int32_t pf_interface_add_ipv6(const char *name, const uint8_t *address, int32_t prefix);

// A CLOCK_MONOTONIC timer: readable once `pf_timer_set`'s instant (nanoseconds, 0 switches it off) has come.
int32_t pf_timer_open(void);
int32_t pf_timer_set(int32_t descriptor, int64_t nanoseconds);
// Takes the expiration, so that the timer is no longer readable.
void pf_timer_clear(int32_t descriptor);

// Lets the calling thread run before ordinary ones (SCHED_RR). Fails without the privilege.
int32_t pf_thread_hurry(void);

// Sends `signal` to this process when the thread that started it ends. 0 switches that off.
int32_t pf_parent_death_signal(int32_t signal);

// Blocks SIGINT, SIGTERM and SIGHUP in the calling thread, and so in the threads that it starts from now on, and returns
// a descriptor that becomes readable when one of them comes. Take them with `pf_signal_take`.
int32_t pf_signal_open(void);
// The number of a signal that came, or 0.
int32_t pf_signal_take(int32_t descriptor);

// Starts a program, in its own process group and with no signal blocked.
//   arguments, environment: end with NULL; the program is looked up in PATH.
//   namespace_descriptor:   network namespace to run in; negative keeps the caller's.
//   output:                 becomes standard output and standard error; negative keeps the caller's.
//   parent_death_signal:    sent to the program when the calling thread ends; 0 for none.
//   contained:              when not 0, the program gets a process namespace, and whatever it has started ends when it
//                           ends or when the caller does. Takes CAP_SYS_ADMIN. What is returned is then the ID of a
//                           process that stands for the program and ends as it does.
// Returns its process ID, or the negative errno of what failed, exec included.
int32_t pf_spawn(
    char *const *arguments, char *const *environment, int32_t namespace_descriptor, int32_t output,
    int32_t parent_death_signal, int32_t contained);

// A descriptor that becomes readable when the process ends (pidfd_open).
int32_t pf_process_descriptor(int32_t process);

// Takes the end of a child: its exit code, or 128 plus the number of the signal that killed it; -EAGAIN while it runs.
int32_t pf_process_reap(int32_t process);

#endif
