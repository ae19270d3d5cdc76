package identity

// Kinds are the kinds of identity source, in the order in which messages list
// them.
func Kinds() []Kind {
	return []Kind{jwtKind(), introspectionKind(), tokenFileKind(), secretsKind(), httpKind()}
}
