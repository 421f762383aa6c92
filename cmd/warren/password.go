package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"strings"
)

// What stands on a command line is read by everybody on the machine: 'ps' shows it.
// Passwords come from the environment or a file.
const (
	passwordVariable       = "WARREN_PASSWORD"
	rabbitPasswordVariable = "RABBITMQ_PASSWORD"

	// passwordPlaces is where to give a password.
	passwordPlaces = "$" + passwordVariable + " or --password-file FILE"
)

// readPassword is the first line of a file, or without one $WARREN_PASSWORD.
func readPassword(path string) (string, error) {
	if path == "" {
		return os.Getenv(passwordVariable), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("--password-file: the first line of %s is empty; write the password there", path)
	}
	return line, nil
}

// warnIfOpen warns of a file with passwords that others on this machine may read.
// Where a container is given its secrets, everybody may, and nobody else is there:
// that is why it is not refused.
func warnIfOpen(stderr io.Writer, path string) {
	const group, others = 0o040, 0o004
	info, err := os.Stat(path)
	if runtime.GOOS == "windows" || err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&(group|others) == 0 {
		return
	}
	newLogger(stderr, slog.LevelWarn).Warn("others on this machine may read the passwords in a file", "file", path, "instead", "chmod 600 "+typed([]string{path}))
}

// openPassword is why a password on the command line is refused.
func openPassword(instead, variable string) error {
	return fmt.Errorf("everybody on this machine can read a password on the command line: write %s, and give the password in %s",
		instead, variable)
}

// withPassword gives an address of the command line the password of its user.
func withPassword(u *url.URL, password string) error {
	if u.User == nil {
		return nil
	}
	instead := u.Scheme + "://USER@" + u.Host
	if _, open := u.User.Password(); open {
		return openPassword(instead, passwordPlaces)
	}
	if password == "" {
		return fmt.Errorf("the password of the user in %s is missing: give it in %s (a token goes with the address into $NATS_URL)",
			instead, passwordPlaces)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return nil
}

// rabbitAddress is the address of a RabbitMQ with its user's password. The password
// that every new RabbitMQ has is no secret.
func rabbitAddress(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text, nil // what is wrong with it, is said when it is connected to
	}
	password, open := u.User.Password()
	switch {
	case open && password != "guest":
		return "", openPassword("--rabbitmq "+u.Scheme+"://USER@"+u.Host+u.Path, "$"+rabbitPasswordVariable)
	case open:
		return text, nil
	}
	u.User = url.UserPassword(u.User.Username(), os.Getenv(rabbitPasswordVariable))
	return u.String(), nil
}

// errNoUser is a password without anybody whose it is.
var errNoUser = errors.New("--password-file goes with a user: add --user NAME")
