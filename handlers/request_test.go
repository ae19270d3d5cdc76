package handlers_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A caller that sends its body slowly holds a slot no longer than it may wait.
func TestTimeoutBoundsReadingTheBody(t *testing.T) {
	server := httptest.NewServer(newService(t, []string{allowAlice}))
	t.Cleanup(server.Close)
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	// Far more than the timeout, far less than the service's own bound of 10 s.
	if err := connection.SetDeadline(time.Now().Add(8 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprint(connection, "POST /authorize?timeout=100ms HTTP/1.1\r\nHost: verdict\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("no answer although the time is over: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("code is %d, want 400", response.StatusCode)
	}
}
