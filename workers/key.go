package workers

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"

	"warren/workers/internal/celery"
)

// The keys of the store in which everything about tasks is kept. An id made here
// begins with eight hex digits that are its client's own: a client hears of its
// own tasks, and of no others.

// longestKey is how many bytes a key of the store may have, and a name at the broker.
const longestKey = 255

func sentKey(id string) string { return "task." + clientOf(id) + "." + celery.IDWord(id) + ".sent" }

func stateKey(id string) string { return "task." + clientOf(id) + "." + celery.IDWord(id) + ".state" }

// taskOf is the word of the task that a key is of: of its state, or of its having been
// sent.
func taskOf(key string) string {
	_, word, _ := strings.Cut(strings.TrimPrefix(key, "task."), ".")
	return strings.TrimSuffix(strings.TrimSuffix(word, ".state"), ".sent")
}

// joinKey is where something of a group is kept: its plan, or which member broke
// it.
func joinKey(join, what string) string { return "join." + celery.IDWord(join) + "." + what }

// slotKey is a member's slot on a level of a join's count, see [fanIn].
func slotKey(join string, level, index int) string {
	return "join." + celery.IDWord(join) + "." + strconv.Itoa(level) + "." + strconv.Itoa(index)
}

const revokedPrefix = "revoked."

func revokedKey(id string) string { return revokedPrefix + celery.IDWord(id) }

// ids makes the ids of one client: UUIDs of version 4, whose first eight digits
// are the client's.
type ids struct{ client [4]byte }

func newIDs() ids {
	var i ids
	_, _ = rand.Read(i.client[:]) // it never fails
	return i
}

func (i ids) prefix() string { return hex.EncodeToString(i.client[:]) }

func (i ids) next() string {
	var b [16]byte
	_, _ = rand.Read(b[4:])
	copy(b[:], i.client[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return uuid(b[:])
}

// uuid writes sixteen bytes as UUIDs are written.
func uuid(b []byte) string {
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	text[8] = '-'
	hex.Encode(text[9:13], b[4:6])
	text[13] = '-'
	hex.Encode(text[14:18], b[6:8])
	text[18] = '-'
	hex.Encode(text[19:23], b[8:10])
	text[23] = '-'
	hex.Encode(text[24:], b[10:])
	return string(text[:])
}

// clientOf is the part of the keys that says whose task it is; that of an id
// that was chosen is made of the id.
func clientOf(id string) string {
	if len(id) == 36 && id[8] == '-' && isHex(id[:8]) {
		return id[:8]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32()))
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
