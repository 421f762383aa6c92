package embedded_test

import (
	"context"
	"fmt"
	"log"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

// Three servers that keep each message three times. Here they share a process;
// each would run on a machine of its own, with the same Routes.
func ExampleCluster() {
	ports, routes := freePorts(3) // 6222 on each of three machines, say
	var servers []*embedded.Server
	for i, port := range ports {
		s, err := embedded.Start(embedded.Config{
			Name:    fmt.Sprintf("node-%d", i+1),
			Port:    embedded.RandomPort,
			Cluster: embedded.Cluster{Port: port, Routes: routes},
		})
		if err != nil {
			log.Fatal(err)
		}
		defer s.Close()
		servers = append(servers, s)
	}
	for _, s := range servers {
		if err := s.Ready(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(servers), "servers are ready")
	// Output: 3 servers are ready
}

// freePorts finds n ports that are free, and what a route to each looks like.
func freePorts(n int) (ports []int, routes []string) {
	for range n {
		port, err := embeddedtest.FindPort()
		if err != nil {
			log.Fatal(err)
		}
		ports = append(ports, port)
		routes = append(routes, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return ports, routes
}
