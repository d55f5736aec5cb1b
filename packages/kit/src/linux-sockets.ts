/**
 * Numbers of Linux's socket calls, for those who make them through the C library, and for configuration that names socket
 * options by number: socket(2), socket(7), netfilter's options. The same on x86 and ARM.
 */
export const LINUX_SOCKET = {
  AF_INET: 2,
  AF_INET6: 10,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  SOL_IP: 0,
  SOL_SOCKET: 1,
  SOL_IPV6: 41,
  SO_REUSEADDR: 2,
  SO_MARK: 36,
  SO_ORIGINAL_DST: 80,
} as const;
