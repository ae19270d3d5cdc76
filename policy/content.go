package policy

// Module is one Rego source file.
type Module struct {
	// Path is where the module came from, as error messages show it. It is
	// unique within a Content.
	Path string
	// Source is the text of the file, Rego v1.
	Source []byte
}

// Document is one data file, JSON or YAML.
type Document struct {
	// Path is where the document came from, as error messages show it.
	Path string
	// Prefix is where the document is rooted under `data`. OPA lays files out
	// by folder: teams/data.json below the policy root has the prefix ["teams"].
	Prefix []string
	// Content is the text of the file: YAML, of which JSON is a subset.
	Content []byte
}

// Content is everything one or more sources deliver: what a Revision is
// compiled from.
type Content struct {
	Modules   []Module
	Documents []Document
}

// Append adds the modules and documents of other to c.
func (c *Content) Append(other Content) {
	c.Modules = append(c.Modules, other.Modules...)
	c.Documents = append(c.Documents, other.Documents...)
}
