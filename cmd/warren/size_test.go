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

func TestSize_IsRounded(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 1023: "1023", 1024: "1KiB", 1500 << 20: "1.46GiB", 10 << 30: "10GiB", 64 << 30: "64GiB",
		100 << 20: "100MiB", 1020 << 20: "1020MiB", 15<<30 + 700<<20: "15.7GiB", 1<<63 - 1: "8388608TiB",
	} {
		if got := roundSize(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
