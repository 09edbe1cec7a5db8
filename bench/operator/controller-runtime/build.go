package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const (
	fieldManager  = "licence-operator"
	instanceLabel = "app.kubernetes.io/instance"
	managedLabel  = "app.kubernetes.io/managed-by"
	copyLabel     = "licensing.softonit.ru/copy"
	portName      = "http"
	containerPort = 8080
)

func selectorOf(ls *LicenceServer) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "licence-server", instanceLabel: ls.Name}
}

func labelsOf(ls *LicenceServer) map[string]string {
	labels := selectorOf(ls)
	labels["app.kubernetes.io/component"] = "server"
	labels[managedLabel] = fieldManager
	return labels
}

// retained is the metadata of a child that stays when its LicenceServer goes.
func retained(ls *LicenceServer, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: ls.Namespace, Labels: labelsOf(ls)}
}

func owned(ls *LicenceServer, name string) metav1.ObjectMeta {
	meta := retained(ls, name)
	meta.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(ls, groupVersion.WithKind("LicenceServer"))}
	return meta
}

func ownedCopy(ls *LicenceServer, what, digest string) metav1.ObjectMeta {
	meta := owned(ls, ls.Name+"-"+what+"-"+digest)
	meta.Labels[copyLabel] = what
	return meta
}

func digestOf(value any) string {
	text, err := json.Marshal(value) // maps come out in the order of their keys
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:10]
}

func serviceAccount(ls *LicenceServer) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   owned(ls, ls.Name),
		AutomountServiceAccountToken: ptr.To(false),
	}
}

func secret(meta metav1.ObjectMeta, immutable *bool, data map[string]string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta,
		Type:       corev1.SecretTypeOpaque,
		Immutable:  immutable,
		StringData: data,
	}
}

func identitySecret(ls *LicenceServer) (*corev1.Secret, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return secret(retained(ls, ls.Name+"-identity"), ptr.To(true), map[string]string{"identity.pem": text}), nil
}

func tokensSecret(ls *LicenceServer) *corev1.Secret {
	tokens := map[string]string{}
	for _, role := range []string{"client", "admin", "metrics"} {
		bytes := make([]byte, 32)
		_, _ = rand.Read(bytes)
		tokens[role] = base64.RawURLEncoding.EncodeToString(bytes)
	}
	return secret(owned(ls, ls.Name+"-tokens"), nil, tokens)
}

func keysSecret(ls *LicenceServer, files map[string]string) *corev1.Secret {
	return secret(ownedCopy(ls, "keys", digestOf(files)), ptr.To(true), files)
}

func settingsOf(ls *LicenceServer) map[string]string {
	spec := &ls.Spec
	settings := map[string]string{
		"LICENCE_LISTEN":              fmt.Sprintf("0.0.0.0:%d", containerPort),
		"LICENCE_DATA_DIR":            "/var/Softonit/Licence Server",
		"LICENCE_SOCKET_DIR":          "/run/postgresql",
		"LICENCE_KEYS_DIR":            "/etc/licence/keys",
		"LICENCE_IDENTITY_FILE":       "/etc/licence/identity/identity.pem",
		"LICENCE_TOKENS_DIR":          "/etc/licence/tokens",
		"LICENCE_ACCESS":              map[string]string{"Token": "token", "ServiceAccount": "serviceaccount", "Open": "open"}[spec.Access.Clients],
		"LICENCE_LEASE_SECONDS":       fmt.Sprint(spec.Seats.LeaseSeconds),
		"LICENCE_STALE_AFTER_SECONDS": fmt.Sprint(int64(spec.StaleSeats.After.Seconds())),
	}
	if authority := spec.Activation.Authority; authority != nil {
		if authority.URL != "" {
			settings["LICENCE_AUTHORITY_URL"] = authority.URL
		}
		if authority.TrustedKeys != nil {
			settings["LICENCE_TRUSTED_KEYS"] = "/etc/licence/trust/jwks.json"
		}
	}
	if len(spec.Seats.Reservations) > 0 {
		text, err := json.Marshal(spec.Seats.Reservations)
		if err != nil {
			panic(err)
		}
		settings["LICENCE_RESERVATIONS"] = string(text)
	}
	return settings
}

func configMapCopy(ls *LicenceServer, what string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: ownedCopy(ls, what, digestOf(data)),
		Immutable:  ptr.To(true),
		Data:       data,
	}
}

// persistentVolumeClaim repeats what an existing claim cannot change any more and never shrinks it.
func persistentVolumeClaim(ls *LicenceServer, existing *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
	size := resource.MustParse("1Gi")
	if ls.Spec.Storage.Size != nil {
		size = *ls.Spec.Storage.Size
	}
	modes, class := ls.Spec.Storage.AccessModes, ls.Spec.Storage.StorageClassName
	if len(modes) == 0 {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	if existing != nil {
		modes, class = existing.Spec.AccessModes, existing.Spec.StorageClassName
		if has := existing.Spec.Resources.Requests[corev1.ResourceStorage]; has.Cmp(size) > 0 {
			size = has
		}
	}
	return &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: retained(ls, ls.Name+"-data"),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      modes,
			StorageClassName: class,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
}

func service(ls *LicenceServer) *corev1.Service {
	meta := owned(ls, ls.Name)
	meta.Annotations = ls.Spec.Service.Annotations
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta,
		Spec: corev1.ServiceSpec{
			Type:     ls.Spec.Service.Type,
			Selector: selectorOf(ls),
			Ports: []corev1.ServicePort{{
				Name: portName, Port: ls.Spec.Service.Port, TargetPort: intstr.FromString(portName), Protocol: corev1.ProtocolTCP,
			}},
		},
	}
}

func networkPolicy(ls *LicenceServer, operatorNamespace string) *networkingv1.NetworkPolicy {
	peers := append([]networkingv1.NetworkPolicyPeer(nil), ls.Spec.Access.AllowFrom...)
	if len(peers) == 0 {
		peers = append(peers, networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}})
	}
	if operatorNamespace != "" {
		peers = append(peers, networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"kubernetes.io/metadata.name": operatorNamespace},
		}})
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: owned(ls, ls.Name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selectorOf(ls)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From:  peers,
				Ports: []networkingv1.NetworkPolicyPort{{Port: ptr.To(intstr.FromString(portName)), Protocol: ptr.To(corev1.ProtocolTCP)}},
			}},
		},
	}
}

type podParts struct{ image, keys, config, trust string }

func deployment(ls *LicenceServer, parts podParts) *appsv1.Deployment {
	replicas := ls.Spec.Replicas
	if ls.Spec.Suspend {
		replicas = 0
	}
	strategy := appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	if ls.Spec.Replicas > 1 {
		strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
			MaxSurge: ptr.To(intstr.FromInt32(1)), MaxUnavailable: ptr.To(intstr.FromInt32(0)),
		}}
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: owned(ls, ls.Name),
		Spec: appsv1.DeploymentSpec{
			Replicas:                &replicas,
			RevisionHistoryLimit:    ptr.To(int32(2)),
			ProgressDeadlineSeconds: ptr.To(int32(600)),
			Strategy:                strategy,
			Selector:                &metav1.LabelSelector{MatchLabels: selectorOf(ls)},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: selectorOf(ls)},
				Spec:       podSpec(ls, parts),
			},
		},
	}
}

func podSpec(ls *LicenceServer, parts podParts) corev1.PodSpec {
	secretVolume := func(name, from string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: from, DefaultMode: ptr.To(int32(0o440))},
		}}
	}
	emptyDir := func(name string, medium corev1.StorageMedium, limit string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: medium, SizeLimit: ptr.To(resource.MustParse(limit))},
		}}
	}
	probe := func(path string, period, failures int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Path: path, Port: intstr.FromString(portName), Scheme: corev1.URISchemeHTTP,
			}},
			// The default of SuccessThreshold is spelt out, since DeepDerivative takes a zero for a wish.
			TimeoutSeconds: 3, PeriodSeconds: period, SuccessThreshold: 1, FailureThreshold: failures,
		}
	}
	volumes := []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ls.Name + "-data"},
		}},
		secretVolume("keys", parts.keys),
		secretVolume("identity", ls.Name+"-identity"),
		secretVolume("tokens", ls.Name+"-tokens"),
	}
	mounts := []corev1.VolumeMount{
		{Name: "data", MountPath: "/var/Softonit/Licence Server"},
		{Name: "keys", MountPath: "/etc/licence/keys", ReadOnly: true},
		{Name: "identity", MountPath: "/etc/licence/identity", ReadOnly: true},
		{Name: "tokens", MountPath: "/etc/licence/tokens", ReadOnly: true},
	}
	if parts.trust != "" {
		volumes = append(volumes, corev1.Volume{Name: "trust", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: parts.trust}},
		}})
		mounts = append(mounts, corev1.VolumeMount{Name: "trust", MountPath: "/etc/licence/trust", ReadOnly: true})
	}
	volumes = append(volumes, emptyDir("sockets", corev1.StorageMediumMemory, "1Mi"), emptyDir("temporary", "", "256Mi"))
	mounts = append(mounts, corev1.VolumeMount{Name: "sockets", MountPath: "/run/postgresql"}, corev1.VolumeMount{Name: "temporary", MountPath: "/tmp"})
	return corev1.PodSpec{
		ServiceAccountName:            ls.Name,
		AutomountServiceAccountToken:  ptr.To(ls.Spec.Access.Clients == "ServiceAccount"),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(int64(30)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(int64(10001)), RunAsGroup: ptr.To(int64(10001)), FSGroup: ptr.To(int64(10001)),
			FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name:           "server",
			Image:          parts.image,
			Ports:          []corev1.ContainerPort{{Name: portName, ContainerPort: containerPort, Protocol: corev1.ProtocolTCP}},
			EnvFrom:        []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: parts.config}}}},
			Env:            []corev1.EnvVar{{Name: "LICENCE_CLEAR_STALE", Value: "never"}},
			VolumeMounts:   mounts,
			StartupProbe:   probe("/healthz/live", 1, 300),
			LivenessProbe:  probe("/healthz/live", 10, 6),
			ReadinessProbe: probe("/healthz/ready", 3, 2),
			Resources:      ls.Spec.Resources,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
		Volumes: volumes,
	}
}
