package amqp

import (
	"strings"
	"unicode/utf8"
)

// MaxShort is the length of AMQP's longest short string: names, routing keys,
// and most properties of a message are short strings.
const MaxShort = 255

// CheckName refuses names that AMQP cannot carry. What says whose name it is, such as
// "queue".
func CheckName(what, name string) error {
	switch {
	case name == "":
		return Errorf(ErrPreconditionFailed, "the name of the %s is empty", what)
	case len(name) > MaxShort:
		return Errorf(ErrSyntax, "the name of the %s is %d bytes long, more than %d", what, len(name), MaxShort)
	case !utf8.ValidString(name):
		return Errorf(ErrSyntax, "the name of the %s is not UTF-8: %q", what, name)
	case strings.ContainsAny(name, "\x00\r\n"):
		return Errorf(ErrSyntax, "the name of the %s has a line break or a zero byte in it: %q", what, name)
	}
	return nil
}

// CheckKey refuses routing keys that AMQP cannot carry.
func CheckKey(key string) error {
	if len(key) > MaxShort {
		return Errorf(ErrSyntax, "the routing key is %d bytes long, more than %d", len(key), MaxShort)
	}
	return nil
}
