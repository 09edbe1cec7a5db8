// Command peer is the yardstick for the operator: the same children of a LicenceServer, written with controller-runtime.
package main

import (
	"flag"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	var metrics, image, namespace string
	var workers int
	flag.StringVar(&metrics, "metrics-bind-address", ":8080", "where metrics are served")
	flag.StringVar(&image, "server-image", "localhost/licence-server:dev", "image of the licence server")
	flag.StringVar(&namespace, "namespace", "default", "the operator's own namespace")
	flag.IntVar(&workers, "workers", 4, "reconciles at a time")
	options := zap.Options{} // JSON lines from level info, as in production
	options.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&options)))

	if err := run(metrics, image, namespace, workers); err != nil {
		ctrl.Log.Error(err, "ended")
		os.Exit(1)
	}
}

func run(metrics, image, namespace string, workers int) error {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := addToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       server.Options{BindAddress: metrics},
		LeaderElection:                true,
		LeaderElectionID:              "licence-operator-peer",
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
	if err != nil {
		return err
	}
	r := &reconciler{Client: mgr.GetClient(), live: mgr.GetAPIReader(), image: image, operatorNamespace: namespace}
	if err := r.setup(mgr, workers); err != nil {
		return err
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}
