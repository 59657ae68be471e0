// What Swift cannot call: variadic system calls, kernel structures that glibc's headers lack, macros.
// Every function takes and returns numbers, so that callers need no pointers.
#ifndef PHOTOFINISH_C_LINUX_H
#define PHOTOFINISH_C_LINUX_H

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "CFault.h"
#include "CPacket.h"
#include "CPassing.h"
#include "CTransport.h"
#include "CWire.h"

#endif
