package main

import (
	"fmt"
	"net"
	"os"
)

// notifySystem tells systemd how the program is, in the protocol of sd_notify: a
// datagram to the socket in $NOTIFY_SOCKET. Without one nobody wants to know.
func notifySystem(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell $NOTIFY_SOCKET of %s: %w", state, err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell $NOTIFY_SOCKET of %s: %w", state, err)
	}
	return nil
}
