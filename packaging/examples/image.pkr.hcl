# Bakes an image: Debian 12, instanced, nginx, and what they are told; then sealed, so that each
# instance of it starts as nobody.
#
#	packer init image.pkr.hcl && packer build -var package=instanced_0.1.0_amd64.deb image.pkr.hcl
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2"
    }
  }
}

variable "package" {
  type = string
}

variable "region" {
  type    = string
  default = "us-east-1"
}

source "amazon-ebs" "web" {
  region        = var.region
  instance_type = "t3.micro"
  ssh_username  = "admin"
  ami_name      = "web-{{timestamp}}"

  ssh_clear_authorized_keys = true

  source_ami_filter {
    owners      = ["136693071363"] # Debian
    most_recent = true
    filters = {
      name                = "debian-12-amd64-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }
}

build {
  sources = ["source.amazon-ebs.web"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/instanced.deb"
  }

  provisioner "file" {
    source      = "${path.root}/instanced.conf"
    destination = "/tmp/instanced.conf"
  }

  provisioner "file" {
    source      = "${path.root}/nginx.conf"
    destination = "/tmp/nginx.conf"
  }

  provisioner "shell" {
    execute_command = "sudo env {{.Vars}} sh -e {{.Path}}"
    inline = [
      "cloud-init status --wait",
      "export DEBIAN_FRONTEND=noninteractive",
      "apt-get update",
      "apt-get install -y nginx-light python3 /tmp/instanced.deb",
      "rm /etc/nginx/sites-enabled/default",
      "install -m 644 /tmp/nginx.conf /etc/nginx/conf.d/instanced.conf",
      "install -D -m 644 /tmp/instanced.conf /etc/instanced/instanced.conf",
      "nginx -t",
      "instancectl check",
      "rm /tmp/instanced.deb /tmp/instanced.conf /tmp/nginx.conf",
      "instancectl seal --yes",
    ]
  }
}
