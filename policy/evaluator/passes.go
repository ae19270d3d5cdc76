package evaluator

// passes are the optimisations, in the order in which they are tried: one that knows more
// statements comes before those that know some of them.
var passes = []pass{
	{
		name:    "constants",
		does:    "makes literals of constants once for all evaluations, and takes their parts out of the plan",
		rewrite: rewriteConstants,
		begin:   beginConstants,
	},
	{
		name:  "aliases",
		does:  "reads the first of two variables that always hold the same, and does not assign the second",
		begin: beginAliases,
		lower: lowerAlias,
	},
	{
		name:  "grouped comprehensions",
		does:  "evaluates a comprehension once for all values of an outer variable that it compares with",
		begin: beginGrouped,
		lower: lowerGrouped,
	},
	{
		name:    "rule index",
		does:    "asks OPA's index which of many definitions can hold",
		declare: declareIndexes,
	},
	{
		name:    "remembered calls",
		does:    "looks up the result of a function for arguments that it was called with before",
		declare: declareRememberedCalls,
	},
	{
		name:  "paths",
		does:  "follows a reference of names to input or data in one step, once for each input and data",
		lower: lowerPath,
	},
	{
		name:  "settled blocks",
		does:  "leaves out a block that always ends the same way",
		lower: lowerSettled,
	},
	{
		name:  "walk loops",
		does:  "goes through what walk gives without making the pairs of paths and values",
		lower: lowerWalkLoop,
	},
	{
		name:    "streams",
		does:    "gives each element of a rule's set to the loop over the set, without making the set",
		declare: declareStreams,
		lower:   firstOf(lowerStream, lowerSent, lowerSentArray),
	},
	{
		name:    "collected sets",
		does:    "makes the set of a rule at its end, in its final size",
		declare: declareCollected,
		lower:   lowerCollected,
	},
	{
		name:    "key lookup",
		does:    "evaluates of a rule only what gives the one key that the caller needs",
		declare: declareWanted,
		begin:   beginWanted,
		lower:   lowerLookup,
		bound:   boundWanted,
	},
	{
		name:  "object keys",
		does:  "looks a key up in an object, rather than in the set of its keys",
		lower: lowerHasKey,
	},
	{
		name:  "conditions",
		does:  "tests what a builtin function gives without making a value of it",
		lower: lowerCondition,
	},
	{
		name:  "inline builtins",
		does:  "does the builtin functions that policies call most without a call through OPA",
		lower: lowerInline,
	},
	{
		name:  "sprintf",
		does:  "parses the format of a sprintf once, and does not make the array of its arguments",
		lower: lowerSprintf,
	},
	{
		name:  "array literals",
		does:  "makes an array at once, in its final size",
		lower: lowerArrayLiteral,
	},
	{
		name:  "set literals",
		does:  "makes a large set at once, in its final size",
		lower: lowerSetLiteral,
	},
}
