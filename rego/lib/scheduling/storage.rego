# METADATA
# title: Storage capacity
# description: |
#   What pods ask of a node's local storage against what is free there, by device
#   class, as TopoLVM writes both into annotations capacity.topolvm.io/<class>.
#   Both sides are objects of such texts by class: what is free is read from the
#   node by the policy, which names the classes.
package lib.scheduling.storage

import data.lib.integers

# METADATA
# title: Storage that a pod asks for
# description: |
#   The values of the annotations capacity.topolvm.io/<class> of the v1 Pod, by
#   class.
wanted(pod) := {class: text |
	some key, text in pod.metadata.annotations
	startswith(key, "capacity.topolvm.io/")
	class := substring(key, count("capacity.topolvm.io/"), -1)
}

# METADATA
# title: Illegal amounts
# description: The classes whose text is not a whole number of bytes from 0 up.
illegal(amounts) := {class |
	some class, text in amounts
	not _legal(text)
}

# METADATA
# title: Classes that a node is without
# description: |
#   The classes that are asked for and of which it is not known how much is free:
#   there is no amount, or an illegal one.
absent(asked, free) := {class |
	some class, _ in asked
	not _known(free, class)
}

# METADATA
# title: Classes without room
# description: The classes with less free than is asked for, both as legal amounts.
lacking(asked, free) := {class |
	some class, text in asked
	_bytes(text) > _bytes(free[class])
}

# METADATA
# title: Points for free storage
# description: |
#   TopoLVM's points for a node, of the class that has the fewest: the power of
#   two that the free GiB reach, divided by divisor, from 1 to 10, and 0 for an
#   empty class. divisor is above 0. Undefined where nothing is asked for, and
#   where no class that is has a legal amount.
points(asked, free, divisor) := min([_points(_bytes(free[class]), divisor) | some class, _ in asked])

_points(0, _) := 0

_points(bytes, divisor) := max([1, count(reached)]) if {
	bytes > 0
	gibibytes := floor(bytes / 1073741824)
	reached := [power |
		some power in [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
		gibibytes >= power * divisor
	]
}

_known(free, class) if _legal(free[class])

_legal(text) if _bytes(text) >= 0

_bytes(text) := number if {
	number := integers.parse(text)
	number >= 0
}
