package main

import (
	"os"
	"path/filepath"
	"runtime"
)

// dataDir is where this user's programs keep data that survives: on Linux
// $XDG_DATA_HOME or ~/.local/share, elsewhere the system's own place. Without a
// home it is in the working directory.
func dataDir() string {
	base, err := systemDataDir()
	if err != nil {
		return "warren-data"
	}
	return filepath.Join(base, "warren")
}

func systemDataDir() (string, error) {
	switch runtime.GOOS {
	case "windows":
		return os.UserCacheDir() // %LocalAppData%, which is not only for caches
	case "darwin":
		return os.UserConfigDir() // ~/Library/Application Support
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share"), err
}
