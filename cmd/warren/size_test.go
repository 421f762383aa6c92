package main

import "testing"

func TestSize_IsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1": 1, "1000": 1000, "1KiB": 1 << 10, "512MiB": 512 << 20, "20GiB": 20 << 30, "2TiB": 2 << 40,
	} {
		var s size
		if err := s.Set(text); err != nil || int64(s) != want || s.String() != text {
			t.Errorf("%q: got %d, %q and %v, want %d", text, s, s.String(), err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "MiB", "1.5GiB", "1MB", "1 GiB", "9223372036854775807KiB"} {
		var s size
		if err := s.Set(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, s)
		}
	}
}
