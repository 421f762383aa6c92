package embedded

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// checkPorts listens for a moment wherever the server is going to. The server
// itself would find out only after it has loaded every stream, and for the
// cluster's port in the background.
func (c Config) checkPorts() error {
	if !c.listens() {
		return nil
	}
	client, err := checkPort(c.Host, max(c.Port, 0))
	if err != nil {
		return err
	}
	// Kept open meanwhile, so that the two ports cannot be the same one.
	defer func() { _ = client.Close() }()
	if !c.Cluster.enabled() {
		return nil
	}
	route, err := checkPort(c.Cluster.Host, c.Cluster.Port)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return route.Close()
}

func checkPort(host string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, portError(host, port, err)
	}
	return l, nil
}

func portError(host string, port int, err error) error {
	at := net.JoinHostPort(host, strconv.Itoa(port))
	if errors.Is(err, errAddressInUse) {
		return fmt.Errorf("listen on %s: %w: stop who has it, or choose another port", at, ErrPortInUse)
	}
	return fmt.Errorf("%w: choose a host of this machine and a port this user may have", err)
}
