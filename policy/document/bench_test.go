package document

import "testing"

const benchReview = `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{"resourceAttributes":{"namespace":"team-001","verb":"get","version":"v1","resource":"pods","name":"pods-3"},"user":"user-00012@example.com","groups":["group-00033","group-00544","group-00123","group-00900","system:authenticated"],"uid":"00000012-0000-4000-8000-000000000012","extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}},"status":{"allowed":false}}`

func BenchmarkParseJSON(b *testing.B) {
	text := []byte(benchReview)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		d, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
}

func BenchmarkCountValues(b *testing.B) {
	text := []byte(benchReview)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := CountValues(nil, text); err != nil {
			b.Fatal(err)
		}
	}
}
