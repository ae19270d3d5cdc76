package evaluator

// reason is why a program leaves one evaluation to the interpreter. It says no more to
// the caller than that there is an error: the interpreter then gives the one that counts.
type reason string

// Error implements error.
func (r reason) Error() string { return string(r) }

const (
	// errUndefinedOperand: the plan uses a variable that has no value where one is needed.
	errUndefinedOperand reason = "an operand is undefined"
	// errOperandType: mostly the error of a builtin function, which OPA words.
	errOperandType reason = "an operand has a type that the program does not know to handle"
	// errNumberAsKey: the interpreter reads data by a path of strings, so that 2 finds "2".
	errNumberAsKey reason = "a number and the string of its digits are both keys"
	// errConflict: a rule or a key of an object has more than one value.
	errConflict reason = "conflicting values"
	// errManyOutputs: a builtin function that is no relation gave more than one value.
	errManyOutputs reason = "a builtin function gave two values"
	// errLeftBlock: a statement leaves more blocks than there are.
	errLeftBlock reason = "the plan leaves a block that is not there"
	// errUnknownRule: OPA's index names a rule that the function was not planned from.
	errUnknownRule reason = "the index names a rule that the plan does not have"
	// errReplacedFunction: a rule of a computed name depends on functions that are replaced.
	errReplacedFunction reason = "the plan passes no replacement for a function to a rule of a computed name"
	// errPanicked: the program itself is at fault.
	errPanicked reason = "the program panicked"
)
