package embedded_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"warren/embedded"
)

// The second server on a directory is refused, and told who has it.
func ExampleErrDirLocked() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	s, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	_, err = embedded.Start(embedded.Config{Dir: dir})
	fmt.Println("locked:", errors.Is(err, embedded.ErrDirLocked))
	// Output: locked: true
}
