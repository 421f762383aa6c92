package amqp091

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"slices"
)

// A User is how a user of a server proves to be that user, and where it may go.
type User struct {
	// Password is the user's password. It excludes PasswordHash; a user has one of
	// the two.
	Password string
	// PasswordHash is the password as RabbitMQ keeps it: four bytes of salt, and the
	// SHA-256 of the salt with the password behind it. 'rabbitmqctl hash_password'
	// prints it in base64. Default: none.
	PasswordHash []byte
	// VHosts are the virtual hosts that the user may open, by AMQP's names. Default:
	// all of the server's.
	VHosts []string
}

const saltSize = 4

func (u User) check(vhosts map[string]string) error {
	switch {
	case u.Password == "" && len(u.PasswordHash) == 0:
		return errors.New("it has no password; set Password or PasswordHash")
	case u.Password != "" && len(u.PasswordHash) > 0:
		return errors.New("it has a password and a hash of one; set one of them")
	case u.Password == "" && len(u.PasswordHash) != saltSize+sha256.Size:
		return fmt.Errorf("the hash of its password has %d bytes; a salt of %d and a SHA-256 have %d",
			len(u.PasswordHash), saltSize, saltSize+sha256.Size)
	}
	for _, vhost := range u.VHosts {
		if _, ok := vhosts[vhost]; !ok {
			return fmt.Errorf("it may open the virtual host %q, which the server does not have", vhost)
		}
	}
	return nil
}

// A login is a user as the server knows it: without the password.
type login struct {
	salt, sum []byte
	vhosts    []string // nil is all
}

func newLogin(u User) login {
	if u.Password == "" {
		return login{u.PasswordHash[:saltSize], u.PasswordHash[saltSize:], u.VHosts}
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // which never fails
	return login{salt, salted(salt, u.Password), u.VHosts}
}

func salted(salt []byte, password string) []byte {
	sum := sha256.Sum256(slices.Concat(salt, []byte(password)))
	return sum[:]
}

func (l login) hasPassword(password string) bool {
	return subtle.ConstantTimeCompare(salted(l.salt, password), l.sum) == 1
}

func (l login) mayOpen(vhost string) bool { return l.vhosts == nil || slices.Contains(l.vhosts, vhost) }

// guest is who may connect where no users are set, from this machine.
const guest = "guest"

// logins are the users of a configuration, and whether guest is the only one.
func (c Config) logins() (users map[string]login, local bool) {
	if c.Users == nil {
		return map[string]login{guest: newLogin(User{Password: guest})}, true
	}
	users = make(map[string]login, len(c.Users))
	for name, u := range c.Users {
		users[name] = newLogin(u)
	}
	return users, false
}

// nobody is compared with when there is no such user, which then takes as long.
var nobody = login{salt: make([]byte, saltSize), sum: make([]byte, sha256.Size)}

// logIn says why somebody is refused, for the log: a client is not told.
func (s *Server) logIn(user, password string, from net.Addr) error {
	l, known := s.users[user]
	if !known {
		l = nobody
	}
	same := l.hasPassword(password)
	switch {
	case !known:
		return errors.New("there is no such user")
	case !same:
		return errors.New("the password is wrong")
	case s.local && !isLoopback(from):
		return errors.New("guest may connect from this machine only; give the server users")
	}
	return nil
}

func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback() // a pipe or a Unix socket is of this machine
}
