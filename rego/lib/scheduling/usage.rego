# METADATA
# title: Use of nodes
# description: |
#   Points for how full a node is by what its pods request. The amounts are
#   arguments, so that policies read by literal keys those that they need.
package lib.scheduling.usage

# METADATA
# title: Share in use
# description: |
#   used as a part of total, from 0 to 1; more than there is counts as 1.
#   Undefined where one is no number, or total not above 0.
share(used, total) := min([1, max([0, used / total])]) if {
	is_number(used)
	is_number(total)
	total > 0
}

# METADATA
# title: Points for packing
# description: |
#   10 for a node in full use by all the shares of the list, 0 for an empty one.
#   Undefined without shares.
packed(shares) := (10 * sum(shares)) / count(shares) if count(shares) > 0

# METADATA
# title: Points for spreading
# description: |
#   10 for an empty node, 0 for one in full use by all the shares of the list.
#   Undefined without shares.
spread(shares) := 10 - packed(shares)

# METADATA
# title: Points for balance
# description: |
#   10 where the shares of the list are equal, 0 where one is used up and another
#   not used at all. Undefined without shares.
balanced(shares) := 10 * (1 - (max(shares) - min(shares)))
