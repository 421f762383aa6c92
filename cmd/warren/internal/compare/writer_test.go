package compare

import (
	"errors"
	"io"
	"testing"
)

// fullDisk takes nothing.
type fullDisk struct{}

var errDiskFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errDiskFull }

func TestWritersSayThatTheyCannotWrite(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(io.Writer, Report) error{
		"page": WritePage, "JSON": WriteJSON, "gobench": WriteGobench, "tables": WriteTables,
	} {
		if err := write(fullDisk{}, sampleReport(t)); !errors.Is(err, errDiskFull) {
			t.Errorf("%s: got %v, want %v", name, err, errDiskFull)
		}
	}
}
