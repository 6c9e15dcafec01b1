// Command certs writes the keys and certificates of one local control plane:
// a certificate authority, the API server's serving certificate, a client
// certificate for each component and for the administrator, and the key that
// signs ServiceAccount tokens. Existing files are replaced.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const lifetime = 10 * 365 * 24 * time.Hour

// clients are the identities that RBAC's built-in bindings know. KWOK plays
// every node, so it is an administrator under its own name.
var clients = []struct {
	file         string
	user         string
	organization []string
}{
	{"admin", "kubernetes-admin", []string{"system:masters"}},
	{"kwok", "kwok-controller", []string{"system:masters"}},
	{"kube-controller-manager", "system:kube-controller-manager", nil},
	{"kube-scheduler", "system:kube-scheduler", nil},
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func main() {
	dir := flag.String("dir", "", "folder to write to; it must exist")
	flag.Parse()
	if err := writeAll(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "certs:", err)
		os.Exit(1)
	}
}

func writeAll(dir string) error {
	ca, err := newAuthority(dir)
	if err != nil {
		return err
	}
	if err := ca.issue(dir, "apiserver", servingTemplate()); err != nil {
		return err
	}
	for _, client := range clients {
		subject := pkix.Name{CommonName: client.user, Organization: client.organization}
		if err := ca.issue(dir, client.file, clientTemplate(subject)); err != nil {
			return err
		}
	}
	return writeServiceAccountKeys(dir)
}

func newAuthority(dir string) (*authority, error) {
	key, err := newKey(dir, "ca")
	if err != nil {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: "heartbeats-local-ca"})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key}, writePEM(dir, "ca.crt", "CERTIFICATE", der, 0o644)
}

func (ca *authority) issue(dir, name string, template *x509.Certificate) error {
	key, err := newKey(dir, name)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return err
	}
	return writePEM(dir, name+".crt", "CERTIFICATE", der, 0o644)
}

func servingTemplate() *x509.Certificate {
	template := newTemplate(pkix.Name{CommonName: "kube-apiserver"})
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
	}
	// The second address is the kubernetes Service's.
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	return template
}

func clientTemplate(subject pkix.Name) *x509.Certificate {
	template := newTemplate(subject)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return template
}

func newTemplate(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	// An hour in the past, for clocks that are set back a little later.
	start := time.Now().Add(-time.Hour)
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    start,
		NotAfter:     start.Add(lifetime),
	}
}

func writeServiceAccountKeys(dir string) error {
	key, err := newKey(dir, "service-accounts")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(crypto.PublicKey(key.Public()))
	if err != nil {
		return err
	}
	return writePEM(dir, "service-accounts.pub", "PUBLIC KEY", der, 0o644)
}

func newKey(dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(dir, name+".key", "EC PRIVATE KEY", der, 0o600)
}

func writePEM(dir, name, kind string, der []byte, mode os.FileMode) error {
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return os.WriteFile(filepath.Join(dir, name), block, mode)
}
