# METADATA
# title: Storage capacity
# description: |
#   The local storage that pods request, and the free storage of nodes, by device
#   class, as TopoLVM writes both into annotations capacity.topolvm.io/<class>.
#   Both are objects of such texts by class. The policy reads the free storage from
#   the node and names the classes.
package lib.scheduling.storage

import data.lib.integers

# METADATA
# title: Storage that a pod requests
# description: |
#   The values of the annotations capacity.topolvm.io/<class> of the v1 Pod, by
#   class.
wanted(pod) := {class: text |
	some key, text in pod.metadata.annotations
	startswith(key, "capacity.topolvm.io/")
	class := substring(key, count("capacity.topolvm.io/"), -1)
}

# METADATA
# title: Invalid amounts
# description: The classes whose text is not a whole number of bytes from 0 up.
illegal(amounts) := {class |
	some class, text in amounts
	not _legal(text)
}

# METADATA
# title: Classes that a node does not have
# description: |
#   The requested classes without a known amount of free storage: the node gives no
#   amount, or an invalid one.
absent(asked, free) := {class |
	some class, _ in asked
	not _known(free, class)
}

# METADATA
# title: Classes without room
# description: The classes with less free than requested storage; both amounts are valid.
lacking(asked, free) := {class |
	some class, text in asked
	_bytes(text) > _bytes(free[class])
}

# METADATA
# title: Points for free storage
# description: |
#   TopoLVM's points for a node, of the class with the fewest points: the power of
#   two that the free GiB reach, divided by divisor, from 1 to 10, and 0 for an
#   empty class. divisor is above 0. Undefined where the pod requests nothing, and
#   where no requested class has a valid amount.
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
