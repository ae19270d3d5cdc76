package bench

import (
	"bytes"
	"errors"
	"io"

	"github.com/verdict-dev/verdict/loadtest/load"
)

// Checked is a client that checks every answer.
type Checked struct {
	load.Client
	// Check returns an error for an answer that must not be. The bytes are valid
	// until it returns.
	Check  func(answer []byte) error
	answer bytes.Buffer
}

// Do implements load.Client.
func (c *Checked) Do(body []byte, answer io.Writer) error {
	c.answer.Reset()
	if err := c.Client.Do(body, io.MultiWriter(answer, &c.answer)); err != nil {
		return err
	}
	return c.Check(c.answer.Bytes())
}

// CloseAll closes the clients.
func CloseAll(clients []load.Client) error {
	var all []error
	for _, c := range clients {
		all = append(all, c.Close())
	}
	return errors.Join(all...)
}
