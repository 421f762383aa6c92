//go:build !windows

package embedded

import "syscall"

const errAddressInUse = syscall.EADDRINUSE
