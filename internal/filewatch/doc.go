// Package filewatch notices when files change: by the file system's events
// where there are any, and by looking every few seconds where there are none
// or one was missed.
//
// It knows how files are replaced in practice: written in place, renamed over
// by editors, and swapped as a whole by a symbolic link, as the kubelet does
// for ConfigMap and Secret volumes. So it watches folders rather than files,
// and every link on the way to them.
package filewatch
