package streams

// Flags have a type for each verb that takes them, so that one a verb would have
// to ignore does not compile.

// joinFlags gives all flags of a call in one, and refuses what is none.
func joinFlags[F ~uint8](flags []F, known F) (all F, err error) {
	for _, flag := range flags {
		all |= flag
	}
	if all&^known != 0 {
		return 0, errPrecondition("%d is no %T; use its constants", all&^known, all)
	}
	return all, nil
}
