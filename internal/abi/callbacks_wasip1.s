// The compiler takes functions without a body, as those of go:linkname are, only in a
// package with an assembly file.
