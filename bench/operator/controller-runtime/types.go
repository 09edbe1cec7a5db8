package main

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "licensing.softonit.ru", Version: "v1beta1"}

func addToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(groupVersion, &LicenceServer{}, &LicenceServerList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	return nil
}

// LicenceServer has the fields that a benchmark's resources use; the CRD's own defaults and rules have been applied by the API server.
type LicenceServer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              Spec   `json:"spec,omitempty"`
	Status            Status `json:"status,omitempty"`
}

type LicenceServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []LicenceServer `json:"items"`
}

type KeyRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

type Spec struct {
	Image      string                      `json:"image,omitempty"`
	Replicas   int32                       `json:"replicas"`
	Suspend    bool                        `json:"suspend"`
	Keys       []Key                       `json:"keys,omitempty"`
	Activation Activation                  `json:"activation"`
	Storage    Storage                     `json:"storage"`
	Seats      Seats                       `json:"seats"`
	StaleSeats StaleSeats                  `json:"staleSeats"`
	Access     Access                      `json:"access"`
	Service    Service                     `json:"service"`
	Resources  corev1.ResourceRequirements `json:"resources,omitempty"`
}

type Key struct {
	Name      string `json:"name"`
	SecretRef KeyRef `json:"secretRef"`
}

type Activation struct {
	Mode      string     `json:"mode"`
	Authority *Authority `json:"authority,omitempty"`
}

type Authority struct {
	URL         string       `json:"url,omitempty"`
	TrustedKeys *TrustedKeys `json:"trustedKeys,omitempty"`
}

type TrustedKeys struct {
	ConfigMapRef KeyRef `json:"configMapRef"`
}

type Storage struct {
	Size             *resource.Quantity                  `json:"size,omitempty"`
	StorageClassName *string                             `json:"storageClassName,omitempty"`
	AccessModes      []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`
}

type Seats struct {
	LeaseSeconds int64         `json:"leaseSeconds"`
	Reservations []Reservation `json:"reservations,omitempty"`
}

type Reservation struct {
	Product string   `json:"product"`
	Seats   int64    `json:"seats"`
	Users   []string `json:"users,omitempty"`
	Bases   []string `json:"bases,omitempty"`
	Hosts   []string `json:"hosts,omitempty"`
}

type StaleSeats struct {
	After metav1.Duration `json:"after"`
}

type Access struct {
	Clients   string                           `json:"clients"`
	AllowFrom []networkingv1.NetworkPolicyPeer `json:"allowFrom,omitempty"`
}

type Service struct {
	Type        corev1.ServiceType `json:"type"`
	Port        int32              `json:"port"`
	Annotations map[string]string  `json:"annotations,omitempty"`
}

// Status is what this operator writes; other fields of the CRD's status stay empty.
type Status struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
	Replicas           int32              `json:"replicas"`
	Selector           string             `json:"selector,omitempty"`
	Address            string             `json:"address,omitempty"`
	Image              string             `json:"image,omitempty"`
	KeysCopy           string             `json:"keysCopy,omitempty"`
}

func (in *LicenceServer) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *LicenceServer) DeepCopy() *LicenceServer {
	out := &LicenceServer{TypeMeta: in.TypeMeta}
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.deepCopyInto(&out.Spec)
	out.Status = in.Status
	out.Status.Conditions = append([]metav1.Condition(nil), in.Status.Conditions...)
	return out
}

func (in *LicenceServerList) DeepCopyObject() runtime.Object {
	out := &LicenceServerList{TypeMeta: in.TypeMeta}
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]LicenceServer, len(in.Items))
	for i := range in.Items {
		out.Items[i] = *in.Items[i].DeepCopy()
	}
	return out
}

func (in *Spec) deepCopyInto(out *Spec) {
	*out = *in
	out.Keys = append([]Key(nil), in.Keys...)
	if in.Activation.Authority != nil {
		authority := *in.Activation.Authority
		if authority.TrustedKeys != nil {
			trusted := *authority.TrustedKeys
			authority.TrustedKeys = &trusted
		}
		out.Activation.Authority = &authority
	}
	if in.Storage.Size != nil {
		size := in.Storage.Size.DeepCopy()
		out.Storage.Size = &size
	}
	if in.Storage.StorageClassName != nil {
		class := *in.Storage.StorageClassName
		out.Storage.StorageClassName = &class
	}
	out.Storage.AccessModes = append([]corev1.PersistentVolumeAccessMode(nil), in.Storage.AccessModes...)
	out.Seats.Reservations = make([]Reservation, len(in.Seats.Reservations))
	for i, r := range in.Seats.Reservations {
		r.Users, r.Bases, r.Hosts = append([]string(nil), r.Users...), append([]string(nil), r.Bases...), append([]string(nil), r.Hosts...)
		out.Seats.Reservations[i] = r
	}
	out.Access.AllowFrom = make([]networkingv1.NetworkPolicyPeer, len(in.Access.AllowFrom))
	for i := range in.Access.AllowFrom {
		in.Access.AllowFrom[i].DeepCopyInto(&out.Access.AllowFrom[i])
	}
	if in.Service.Annotations != nil {
		out.Service.Annotations = make(map[string]string, len(in.Service.Annotations))
		for k, v := range in.Service.Annotations {
			out.Service.Annotations[k] = v
		}
	}
	in.Resources.DeepCopyInto(&out.Resources)
}
