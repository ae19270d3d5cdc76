package config

func (c *checker) cache() {
	cache := &c.config.Cache
	c.aboveZero("cache.maxBytes", cache.MaxBytes)
	c.aboveZero("cache.maxEntries", int64(cache.MaxEntries))
	c.notNegative("cache.lifetimes.allow", cache.Lifetimes.Allow)
	c.notNegative("cache.lifetimes.deny", cache.Lifetimes.Deny)
	c.notNegative("cache.lifetimes.noOpinion", cache.Lifetimes.NoOpinion)
	c.notNegative("cache.identityTTL", cache.IdentityTTL)
	c.notNegative("cache.rejectedTTL", cache.RejectedTTL)
}
