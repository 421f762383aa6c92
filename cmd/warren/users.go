package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"warren/streams/amqp091"
)

// hashMark is in front of the hash of a password.
const hashMark = "sha256:"

// parseUsers reads the users of AMQP, one a line: a name, a password, and the virtual
// hosts that the user may open, all if there is none. Blanks separate them. What has
// blanks in it, or quotes, is in double quotes, as in Go. A line that begins with # is
// a comment. Instead of a password there may be its hash as RabbitMQ keeps it, in
// base64, behind "sha256:".
//
// Errors name the line and show nothing of it: it may be a password.
func parseUsers(text string) (map[string]amqp091.User, error) {
	return readUsers(text, "NAME PASSWORD [VHOST...]", parseUser)
}

// parseNATSUsers reads the users of NATS: a name, and a password or its bcrypt hash.
func parseNATSUsers(text string) (map[string]string, error) {
	return readUsers(text, "NAME PASSWORD", func(fields []field) (string, error) {
		if len(fields) > 2 {
			return "", errors.New("there is more than a name and a password; put what has blanks in quotes")
		}
		return fields[1].text, nil
	})
}

// usersOf reads the file of users that a flag names.
func usersOf[User any](stderr io.Writer, flag, file string, parse func(string) (map[string]User, error)) (map[string]User, error) {
	warnIfOpen(stderr, file)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	users, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("--%s: %s: %w", flag, file, err)
	}
	return users, nil
}

// readUsers reads users, one a line, whose name comes first and whose password second.
func readUsers[User any](text, form string, parse func([]field) (User, error)) (map[string]User, error) {
	users := map[string]User{}
	for n, line := range strings.Split(text, "\n") {
		fields, err := splitFields(line)
		if err == nil && len(fields) == 0 {
			continue
		}
		var user User
		if err == nil {
			err = checkFields(fields, form)
		}
		if err == nil {
			user, err = parse(fields)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		if _, twice := users[fields[0].text]; twice {
			return nil, fmt.Errorf("line %d: the user is in a line before, too", n+1)
		}
		users[fields[0].text] = user
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("there are no users in it; write %s, a line each", form)
	}
	return users, nil
}

func checkFields(fields []field, form string) error {
	if len(fields) < 2 {
		return fmt.Errorf("the password is missing; write %s", form)
	}
	for _, f := range fields {
		if f.text == "" {
			return errors.New("there is an empty name or password")
		}
	}
	return nil
}

func parseUser(fields []field) (user amqp091.User, err error) {
	if hash, is := strings.CutPrefix(fields[1].text, hashMark); is && !fields[1].quoted {
		user.PasswordHash, err = base64.StdEncoding.DecodeString(hash)
		if err != nil || len(user.PasswordHash) != hashSize {
			return user, fmt.Errorf("behind %s is no hash of RabbitMQ's: 4 bytes of salt and a SHA-256, in base64; a password that begins so is in quotes", hashMark)
		}
	} else {
		user.Password = fields[1].text
	}
	for _, f := range fields[2:] {
		user.VHosts = append(user.VHosts, f.text)
	}
	return user, nil
}

// hashSize is the size of a salt and a SHA-256.
const hashSize = 4 + 32

// A field is a word of a line.
type field struct {
	text   string
	quoted bool
}

const blanks = " \t\r"

// splitFields takes a line apart; a comment has no fields.
func splitFields(line string) (fields []field, err error) {
	rest := strings.TrimLeft(line, blanks)
	if strings.HasPrefix(rest, "#") {
		return nil, nil
	}
	for rest != "" {
		var f field
		if f, rest, err = cutField(rest); err != nil {
			return nil, err
		}
		fields = append(fields, f)
		rest = strings.TrimLeft(rest, blanks)
	}
	return fields, nil
}

// cutField takes the first word off a text that does not begin with a blank.
func cutField(text string) (f field, rest string, err error) {
	if text[0] != '"' {
		word, rest := text, ""
		if end := strings.IndexAny(text, blanks); end >= 0 {
			word, rest = text[:end], text[end:]
		}
		if strings.Contains(word, `"`) {
			return f, rest, errors.New("there is a quote inside a word; put the word in quotes")
		}
		return field{text: word}, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err == nil {
		f.text, err = strconv.Unquote(quoted)
	}
	if err != nil {
		return f, "", errors.New("a quote is not closed, or has an unknown escape in it")
	}
	if rest = text[len(quoted):]; rest != "" && !strings.ContainsRune(blanks, rune(rest[0])) {
		return f, rest, errors.New("there is no blank behind a quote")
	}
	f.quoted = true
	return f, rest, nil
}
