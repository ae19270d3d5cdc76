# METADATA
# title: Use of nodes
# description: |
#   Points for how full a node is by the requests of its pods. The amounts are
#   arguments, so that policies read only those that they need, by constant keys.
package lib.scheduling.usage

# METADATA
# title: Share in use
# description: |
#   used divided by total, from 0 to 1; a larger value counts as 1. Undefined where
#   one is not a number, or total is not above 0.
share(used, total) := min([1, max([0, used / total])]) if {
	is_number(used)
	is_number(total)
	total > 0
}

# METADATA
# title: Points for packing
# description: |
#   10 for a node with all shares of the list at 1, 0 for an empty node.
#   Undefined without shares.
packed(shares) := (10 * sum(shares)) / count(shares) if count(shares) > 0

# METADATA
# title: Points for spreading
# description: |
#   10 for an empty node, 0 for a node with all shares of the list at 1.
#   Undefined without shares.
spread(shares) := 10 - packed(shares)

# METADATA
# title: Points for balance
# description: |
#   10 where the shares of the list are equal, 0 where one is 1 and another is 0.
#   Undefined without shares.
balanced(shares) := 10 * (1 - (max(shares) - min(shares)))
