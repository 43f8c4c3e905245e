// The Go program of tap.py, linked statically.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
)

// serve: sends back, on each connection, all that it receives.  dial: sends 20 MB on each of 10
// connections at once, and compares what comes back.
func main() {
	if os.Args[1] == "serve" {
		l, err := net.Listen("tcp", os.Args[2])
		check(err)
		fmt.Println("listening")
		for {
			c, err := l.Accept()
			check(err)
			go func() { io.Copy(c, c); c.(*net.TCPConn).CloseWrite(); c.Close() }()
		}
	}
	done := make(chan error)
	for n := 0; n < 10; n++ {
		go func(n int) { done <- one(os.Args[2], byte(n)) }(n)
	}
	for n := 0; n < 10; n++ {
		check(<-done)
	}
	fmt.Println("done")
}

func one(address string, seed byte) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	data := make([]byte, 2<<20)
	for i := range data {
		data[i] = byte(i>>8)*7 + byte(i) + seed
	}
	go func() { c.Write(data); c.(*net.TCPConn).CloseWrite() }()
	h := sha256.New()
	if _, err := io.Copy(h, c); err != nil {
		return err
	}
	if want := sha256.Sum256(data); string(h.Sum(nil)) != string(want[:]) {
		return fmt.Errorf("connection %d: other bytes came back", seed)
	}
	return c.Close()
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
