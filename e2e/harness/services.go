package harness

import (
	"net"
	"slices"
	"strconv"
)

// Service is a server of the test's own that the gateway knows by a name, with
// servicePort 80, or by Cluster. Named like one of the harness' (token.static, upstream.dns,
// upstream-a.dns) it takes that one's place.
type Service struct {
	Name    string
	Cluster string // exact name of its cluster; empty: the one of Name and port 80
	Address string // host:port, the host an IP address
	HTTP2   bool   // the gateway speaks HTTP/2 with it, so that trailers reach it
}

// withServices adds the clusters of the services that the test brings, but for the token service's.
func (g *Gateway) withServices(clusters []cluster) []cluster {
	for _, service := range g.options.Services {
		if service.Name == TokenName {
			continue
		}
		added := service.cluster()
		if at := slices.IndexFunc(clusters, func(c cluster) bool { return c.Name == added.Name }); at >= 0 {
			added.Filters = clusters[at].Filters
			clusters[at] = added
		} else {
			clusters = append(clusters, added)
		}
	}
	return clusters
}

// service is the cluster of a service that the test brings.
func (g *Gateway) service(name string) (cluster, bool) {
	for _, service := range g.options.Services {
		if service.Name == name {
			return service.cluster(), true
		}
	}
	return cluster{}, false
}

// Service names a server that speaks HTTP/1.1 with the gateway.
func (s *Server) Service(name string) Service { return Service{Name: name, Address: s.Address} }

func (s Service) cluster() cluster {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		panic(err) // the test's own value
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	name := s.Cluster
	if name == "" {
		name = "outbound|80||" + s.Name
	}
	return cluster{Name: name, Host: host, Port: number, HTTP2: s.HTTP2, Limit: noLimit}
}
