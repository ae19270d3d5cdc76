package policy

// Module is one Rego source file.
type Module struct {
	// Path is the path of the file, as error messages show it. It is unique within
	// a Content.
	Path string
	// Source is the text of the file, Rego v1.
	Source []byte
}

// Document is one data file, JSON or YAML.
type Document struct {
	// Path is the path of the file, as error messages show it.
	Path string
	// Prefix is the path of the document below `data`. As in OPA, it is the path of
	// the file's folder: teams/data.json below the policy root has the prefix ["teams"].
	Prefix []string
	// Content is the text of the file: YAML, of which JSON is a subset.
	Content []byte
}

// Content is the modules and documents of one or more sources. A Revision is
// compiled from it.
type Content struct {
	Modules   []Module
	Documents []Document
}

// Append adds the modules and documents of other to c.
func (c *Content) Append(other Content) {
	c.Modules = append(c.Modules, other.Modules...)
	c.Documents = append(c.Documents, other.Documents...)
}
