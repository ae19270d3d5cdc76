package policy

// Generation marks what was decided under the same rules and data: what is
// kept with one holds exactly as long as it is the current one. Generations are
// compared by address.
type Generation struct {
	id uint64 // unique within an engine
}
