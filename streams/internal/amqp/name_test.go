package amqp

import (
	"strings"
	"testing"
)

func TestCheckNameAndKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	for _, name := range []string{"a", "größe", "a b.*>", long} {
		if err := CheckName("queue", name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	for _, name := range []string{"", long + "x", "\xff", "a\x00", "a\n", "\r"} {
		if err := CheckName("queue", name); err == nil {
			t.Errorf("CheckName(%q) has no error", name)
		}
	}
	if err := CheckKey(long); err != nil {
		t.Error(err)
	}
	if err := CheckKey(long + "x"); err == nil {
		t.Error("a key of 256 bytes is no error")
	}
}
