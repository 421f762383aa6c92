package streams

// calledBack calls a function of the user's on a goroutine that has other work, the
// connection's as a rule. If runtime.Goexit ended that one, as FailNow of a test does,
// nothing would come any more, and nobody would know why: it is a panic instead.
func calledBack[T any](what string, f func(T), with T) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			panic(v)
		}
		panic("streams: " + what + " ended its goroutine with runtime.Goexit, as FailNow of a test does; it must return")
	}()
	f(with)
	returned = true
}
