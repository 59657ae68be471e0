internal import CLinux

/// A classic BPF program for a listening TCP socket that drops what begins a connection, and lets all else pass.
///
/// Closing a listener resets the connections that wait in its queue, and between the last `accept` that found nothing and
/// the `close` one more may come. With this program on the socket nobody begins any more, handshakes that are under way
/// still come to their end, and a while later the queue is empty for good. Who was dropped asks again a second later, as TCP
/// does, and is refused then, or served by whoever listens by then.
enum NewcomerFilter {
  static func attach(to listener: Int32) throws(SystemError) {
    // From linux/bpf_common.h. The program begins with the TCP header, whose byte 13 holds the flags.
    let program = [
      pf_filter_instruction(code: 0x30, jump_true: 0, jump_false: 0, value: 13),  // load that byte
      pf_filter_instruction(code: 0x54, jump_true: 0, jump_false: 0, value: 0x12),  // of it, SYN and ACK
      pf_filter_instruction(code: 0x15, jump_true: 0, jump_false: 1, value: 0x02),  // SYN alone?
      pf_filter_instruction(code: 0x06, jump_true: 0, jump_false: 0, value: 0),  // then drop it
      pf_filter_instruction(code: 0x06, jump_true: 0, jump_false: 0, value: 0xffff_ffff),  // else let it pass
    ]
    // Safe: the kernel copies the program during the call.
    let code = unsafe program.withUnsafeBufferPointer {
      unsafe pf_attach_filter(listener, $0.baseAddress, UInt16($0.count))
    }
    guard code == 0 else { throw SystemError("setsockopt", -code) }
  }
}
