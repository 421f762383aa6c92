//go:build unix

package compare

import (
	"os/exec"
	"syscall"
)

// apart keeps a terminal's Ctrl-C from a process, which goes to all of a group: what
// is ended early still has to be asked for.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
