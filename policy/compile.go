package policy

import (
	"context"
	"errors"
	"time"
)

// Compile builds a revision, as an Engine does when it loads content. Mistakes come
// back as one *LoadError that lists them all.
func Compile(ctx context.Context, content Content, options Options) (*Revision, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &load{content: content, ctx: ctx, began: time.Now()}
	l.doing("beginning")
	type built struct {
		revision *Revision
		err      error
	}
	done := make(chan built, 1)
	go func() {
		revision, err := l.build(new(buildCache), options)
		done <- built{revision, err}
	}()
	limit := options.loadTimeout()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case b := <-done:
		return b.revision, b.err
	case <-timer.C:
		return nil, tooLong(l, limit)
	case <-ctx.Done():
		return nil, canceled(ctx)
	}
}

// build makes a revision of the content. Whatever the content makes us or OPA do,
// what comes back is a revision or a *LoadError.
func (l *load) build(c *buildCache, options Options) (*Revision, error) {
	return guarded(l, func() (*Revision, error) {
		suspects := c.changed(l.content)
		l.suspects.Store(&suspects)
		revision, err := c.build(l, l.content, options)
		var failed *LoadError
		if err != nil && !errors.As(err, &failed) {
			err = &LoadError{Problems: []Problem{{Message: err.Error()}}}
		}
		return revision, err
	})
}
