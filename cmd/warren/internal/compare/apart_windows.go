package compare

import (
	"os/exec"
	"syscall"
)

// apart keeps a console's Ctrl-C from a process, which goes to all of a group: what is
// ended early still has to be asked for.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
