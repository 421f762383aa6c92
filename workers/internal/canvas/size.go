package canvas

// Size is about how many bytes of JSON a signature has.
func Size(s *Signature) int {
	n := 200 + len(s.Task) + len(s.Options.Queue) + len(s.Options.ReplyTo)
	for _, arg := range s.Args {
		n += len(arg) + 1
	}
	for name, arg := range s.Kwargs {
		n += len(name) + len(arg) + 4
	}
	for name, value := range s.Options.Headers {
		n += len(name) + len(value) + 6
	}
	n += SizeOf(s.Options.Link) + SizeOf(s.Options.LinkError) + SizeOf(s.Tasks)
	if s.Body != nil {
		n += Size(s.Body)
	}
	return n
}

// SizeOf is the size of all of a list.
func SizeOf(list []Signature) int {
	n := 0
	for i := range list {
		n += Size(&list[i])
	}
	return n
}

// Instant reports whether a step is over as soon as it begins, so that the next one is
// needed too: a group of none.
func Instant(s Signature) bool { return s.Kind == KindGroup && len(s.Tasks) == 0 }
