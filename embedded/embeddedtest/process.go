package embeddedtest

func runChild() bool { return false }
