// Enforces NetworkPolicies on a node, by iptables and ipset: the controller of kube-router alone, without its routing.
package main

import (
	"flag"
	"log"
	"sync"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	config := options.NewKubeRouterConfig()
	config.EnableIPv4 = true
	config.ClusterIPCIDRs = make([]string, 1)
	flag.StringVar(&config.Kubeconfig, "kubeconfig", "", "how the API server is reached")
	flag.StringVar(&config.HostnameOverride, "node", "", "name of the node")
	flag.StringVar(&config.ClusterIPCIDRs[0], "service-cluster-ip-range", "", "addresses of Services")
	flag.Parse()

	access, err := clientcmd.BuildConfigFromFlags("", config.Kubeconfig)
	must(err)
	client, err := kubernetes.NewForConfig(access)
	must(err)

	stop := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(stop)
	factory.WaitForCacheSync(stop)

	tables, sets, err := netpol.NewIPTablesHandlers(config)
	must(err)
	var setsLock sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &setsLock, tables, sets)
	must(err)
	follow(pods, controller.PodEventHandler)
	follow(namespaces, controller.NamespaceEventHandler)
	follow(policies, controller.NetworkPolicyEventHandler)

	// Nobody asks for its health; its heartbeats are taken so that it never waits.
	beats := make(chan *healthcheck.ControllerHeartbeat, 10)
	go func() {
		for range beats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(beats, stop, &running)
	running.Wait()
}

func follow(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) {
	_, err := informer.AddEventHandler(handler)
	must(err)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
